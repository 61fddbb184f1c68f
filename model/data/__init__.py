"""From a hospital's table to tensors and back: readers, inference, arrangement, imputation, codec, split."""
