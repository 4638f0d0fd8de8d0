"""What the integration tests share: private servers, clients, waiting for a condition.

Plain Python and psycopg2. Everything runs in a temporary directory on loopback, with its own configuration, and is
ended when its fixture ends. Each server class can also be used from a plain script.
"""
