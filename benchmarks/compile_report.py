def markdown(*a):
    raise SystemExit("not yet")
