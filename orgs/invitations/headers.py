def discreet(response):
    """For pages with a token: kept by no cache, told to no other site."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
