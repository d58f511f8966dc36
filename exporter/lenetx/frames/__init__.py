"""From a data set to float32 batches: read and surveyed once, then held in memory or read again."""
