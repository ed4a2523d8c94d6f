"""One interval settled from a file (`microbalance settle`): documents, inputs, settling."""
