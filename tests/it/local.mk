# The integration tests need a build tree and servers: tests/run it. Whole folders are released.
EXTRA_DIST += tests/run tests/packages .ci/run tests/it sql examples

dist-hook:
	find $(distdir) -name __pycache__ -prune -exec rm -rf {} +
