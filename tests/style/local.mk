style_scripts = %D%/layers.sh %D%/symbols.sh %D%/docs.sh %D%/man.sh %D%/units.sh %D%/report.sh
TESTS += $(style_scripts)
EXTRA_DIST += $(style_scripts) %D%/tap.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
