"""What a search can be asked for, and what it does unless asked. Imports nothing: parsers read it first."""

SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random")
ENCODINGS = ("conditional", "fixed")
RUNGS = ("on", "off")

DEFAULT_SPACE = "digits"
DEFAULT_TRIALS = 200
DEFAULT_SEED = 0
DEFAULT_SAMPLER, DEFAULT_ENCODING = "nsga2", "conditional"  # by benchmarks.samplers
DEFAULT_RUNGS = "off"  # by benchmarks.search_efficiency
