"""What is asked for over HTTP: metrics for a collector.

In: a source, an address. Out: a server on that address, on loopback unless another is named.

Never here: a figure that is computed. What is served are the views' metrics.
"""
