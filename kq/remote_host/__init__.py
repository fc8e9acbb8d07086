"""What runs on another machine besides its Agents: it starts, supervises and stops them, and reports facts.

kq.remote calls it over SSH. It never talks to the server, and never hosts a render process.
"""
