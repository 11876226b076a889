"""How right identities are on the sandbox's default data, with and without the guards."""
