"""``memtwin learn``: lessons in which a reader predicts what Linux does, runs it on the model, sees it and reads why.

In: a lesson (one file of ``lessons``), sizes that a seed has chosen, and a guess. Out: pages for a terminal, or for a
browser, in which every figure is of the run that was just made.

- ``lesson``: what a lesson is made of; ``question``: what it asks, and how far a guess was off;
- ``lessons``: the lessons, one file each; ``chapter``: the sections of the chapter that they belong to;
- ``act``: one lesson run with its sizes; ``found``: figures of a run, or of a recording; ``filming``: it as a film;
- ``pages``: the seven beats of a lesson; ``session``: which page is next; ``store``: what is kept between days;
- ``course``: which lesson is taken; ``screen`` and ``plain`` show the pages and read the answers;
- ``html``, ``figures``: the same for a browser.

Never here: a result as text. What a lesson states of Linux is computed from its run, and said only if the run shows it.
"""
