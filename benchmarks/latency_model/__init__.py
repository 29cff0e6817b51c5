"""How well modelled latency predicts parts as they are deployed, on the machine that runs this."""
