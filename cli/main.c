// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The uiommu command: which subcommand, and those that only print.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <uiommu/device.h>

#include "cli.h"

int cli_error(const char *fmt, ...)
{
	va_list ap;

	fputs("uiommu: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CLI_FAILED;
}

static void help(void)
{
	fputs("Usage: uiommu run [-d MODEL[,OPTION=VALUE...][@BDF]]... [--] PROGRAM [ARGS...]\n"
	      "       uiommu models\n"
	      "\n"
	      "Runs programs written for /dev/iommu and /dev/vfio on software devices, on a\n"
	      "machine that has neither an IOMMU nor the devices.\n"
	      "\n"
	      "Commands:\n"
	      "  run           run a program with software devices ('uiommu run --help')\n"
	      "  models        the devices there are, with their options\n"
	      "\n"
	      "Options:\n"
	      "  -h, --help    this text\n"
	      "  -V, --version the version\n",
	      stdout);
}

static void print_option(const struct uiommu_option_desc *option)
{
	const char *def = option->def ? option->def : "";

	switch (option->type) {
	case UIOMMU_OPTION_BOOL:
		printf("    %s=on|off", option->name);
		break;
	case UIOMMU_OPTION_UINT:
		printf("    %s=%llu..%llu", option->name, (unsigned long long)option->min,
		       (unsigned long long)option->max);
		break;
	case UIOMMU_OPTION_STRING:
		printf("    %s=TEXT", option->name);
		break;
	}
	printf("  (default %s)\n        %s\n", *def ? def : "empty", option->help);
}

static int models(int argc, char **argv)
{
	const struct uiommu_option_desc *option;
	const struct uiommu_model *model;
	unsigned int i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("Usage: uiommu models\n\nLists the devices that 'uiommu run -d' takes.");
		return 0;
	}
	if (argc > 1)
		return cli_error("models takes no arguments: '%s'", argv[1]);

	for (i = 0; (model = uiommu_model_at(i)); i++) {
		printf("%s  %04x:%04x\n    %s\n", model->name, model->vendor, model->device,
		       model->summary);
		for (option = model->options; option && option->name; option++)
			print_option(option);
	}
	puts("all");
	for (option = uiommu_common_options(); option->name; option++)
		print_option(option);
	return 0;
}

/* The option that getopt_long() just refused, for a message. */
const char *cli_bad_option(char **argv)
{
	static char name[3] = "-?";

	/* Of a cluster like "-xd" argv has but the whole, or not even that. */
	if (!optopt || optopt > 0xff)
		return argv[optind - 1];
	name[1] = (char)optopt;
	return name;
}

/* What was printed must have arrived: "uiommu models > /dev/full". */
static int finish(int status)
{
	if ((fflush(stdout) || ferror(stdout)) && !status)
		return cli_error("can't write to standard output: %s", strerror(errno));
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	/* "+": what follows the command is the command's. */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			help();
			return finish(0);
		case 'V':
			printf("uiommu %s\n", uiommu_version());
			return finish(0);
		default:
			return cli_error("unknown option '%s'; see 'uiommu --help'",
					 cli_bad_option(argv));
		}
	}
	if (optind == argc)
		return cli_error("which command? 'run' or 'models'; see 'uiommu --help'");
	argc -= optind;
	argv += optind;
	if (!strcmp(argv[0], "run"))
		return finish(cli_run(argc, argv));
	if (!strcmp(argv[0], "models"))
		return finish(models(argc, argv));
	return cli_error("unknown command '%s'; see 'uiommu --help'", argv[0]);
}
