"""The one training loop: recipe and data in, probabilities and a model out.

Pure library code: it knows neither the store nor the app, and tells what happens through a ``Reporter``.
"""
