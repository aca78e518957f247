"""The service: searches and items over HTTP, and a page to look at them."""
