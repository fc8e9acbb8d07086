"""Runs on a remote machine: starts, supervises and stops its Agents, and reports on the machine.

kq.remote calls it over SSH. It does not connect to the server, except to probe its ports.
"""
