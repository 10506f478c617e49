"""Chunked numpy kernels under the rules: the same bits for any chunk size and thread count."""
