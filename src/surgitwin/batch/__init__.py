"""The same commands on many cases, and a simulator on many samples, on a dask cluster; see docs/user/batch.md."""
