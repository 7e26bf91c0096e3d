"""What is asked for over HTTP: metrics, for a collector that comes again and again.

In: a function that collects them, and the address to listen on. Out: answers to `GET /metrics`, from a server on
loopback unless another address is named.

Never here: a figure that is computed. What is served are the views' metrics, made at each request.
"""
