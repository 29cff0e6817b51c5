"""Speed and size of single sparse layers, against dense ones and the limit 1/density."""
