"""Signal processing on numpy arrays `[calls, samples]`, pure and batched."""
