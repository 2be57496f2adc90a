"""Views of items: whole batches as tensors, every item with its own draw.

A *weak* view keeps what a person sees; a *strong* one is as hard as the label survives; *plain* is what the
model meets at prediction. One transform for the whole batch would make the batch's noise one number: here
every parameter is drawn per item.
"""
