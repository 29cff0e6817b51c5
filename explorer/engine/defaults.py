"""What a search can be asked for, and what it does unless asked. Imports nothing: parsers read it first."""

SAMPLERS = ("front", "nsga2", "nsga3", "tpe", "gp", "random")
ENCODINGS = ("conditional", "fixed")
RUNGS = ("on", "off")
PREFER = ("gain", "gain-per-second")

DEFAULT_SPACE = "digits"
DEFAULT_TRIALS = 200
DEFAULT_SEED = 0
DEFAULT_SAMPLER, DEFAULT_ENCODING = "front", "conditional"  # by benchmarks.true_front
DEFAULT_RUNGS = "off"  # by benchmarks.search_efficiency
DEFAULT_PREFER = "gain"
