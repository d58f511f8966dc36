"""Turn a data set into float32 batches: survey every image once, then keep the frames in memory or stream them."""
