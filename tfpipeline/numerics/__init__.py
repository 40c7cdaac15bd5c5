"""The arithmetic of quantization, each rule once, for graphs and for drafts of them."""
