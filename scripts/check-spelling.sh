#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# codespell finds nothing in what people read and write here.
# Words of our trade that it takes for others:
words=inout,fo,nd,te,ser,mis,ans,parms,creat,sie,ot,hda
scripts/sources.sh '*.c' '*.h' '*.S' '*.md' '*.sh' '*.py' '*.build' '*.[1-9]' Makefile |
	xargs codespell --ignore-words-list "$words"
