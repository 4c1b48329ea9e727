"""The lab: a run that is stopped, stepped, rewound, changed and looked at in a browser, by the same engine.

session     forward, back and into branches, exactly; no browser needed
looking     what is seen: pictures, and the numbers at a point, of a weight, of a layer
slow        one step, line by line, as the running code is written
challenges  predict, run, be told
server      one page, pushed to the browser, on this machine only
"""
