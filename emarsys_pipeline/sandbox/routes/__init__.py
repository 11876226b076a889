"""The endpoints of the Emarsys API, one module an area; each registers in its own RouteTable."""
