"""Evidence as it would be on other samples than were measured: some of them, or some several times."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.evidence import Evidence


def only(evidence: Evidence, samples: NDArray[np.int64]) -> Evidence:
    """Evidence on some samples, given by their numbers; one may be there several times.

    Example:
        >>> right, sizes = np.array([True, True, False]), np.array([[[12]]], np.int32)
        >>> sure = np.array([[0.9, 0.7, 0.4]], np.float32)
        >>> server, labels = right[None, None], np.array([0, 1, 1])
        >>> evidence = Evidence(("conv1",), (8,), sure, right[None], server, right, sizes, labels)
        >>> only(evidence, np.array([2, 0, 2])).output_correct_N.tolist()
        [False, True, False]
    """
    lengths = evidence.encoded_bytes_SBN
    return replace(
        evidence,
        exit_confidence_SN=evidence.exit_confidence_SN[:, samples],
        exit_correct_SN=evidence.exit_correct_SN[:, samples],
        server_correct_SBN=evidence.server_correct_SBN[:, :, samples],
        output_correct_N=evidence.output_correct_N[samples],
        encoded_bytes_SBN=lengths if lengths.shape[-1] == 1 else lengths[:, :, samples],
        label_N=evidence.label_N[samples],
    )
