"""Where networks are trained: in this process, in local workers, or on a Dask cluster."""
