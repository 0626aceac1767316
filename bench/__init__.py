"""Measurements that a person can run; what they showed, and on which machine, stands in docs/measurements.md."""
