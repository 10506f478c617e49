"""A SuperLink and SuperNodes on this machine, in containers, or across sites.

Read arguments.py first (how Flower's programs are called). processes.py runs them on loopback and
local.py runs a table over them; container.py runs them in containers; compare.py runs a table over
a SuperLink that is up. keys.py, register.py and health.py are shared by all of these.
"""
