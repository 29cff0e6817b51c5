"""Bytes around a payload: what a message takes on the wire besides it.

Messages are padded to these sizes, so that what a link carries can be predicted to the byte.
"""

REQUEST_OVERHEAD = 384  # HTTP request line, headers and the JSON in front of the payload
RESPONSE_BYTES = 256  # the whole HTTP answer: label and confidence
FRAME_BYTES = 24  # the compact frame around a payload, see explorer/runtime/protocol/frame.py
FRAME_ANSWER_BYTES = 32  # a frame with label and confidence
