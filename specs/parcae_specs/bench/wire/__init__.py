"""What the wire costs: submissions and deliveries over HTTP, each beside a plain program."""
