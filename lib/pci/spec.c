// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/spec.c - "MODEL[,option=value...][@BDF]" and its options
 *
 * Each error is one sentence for the person who typed it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/pci.h"

void pci_error(char *errbuf, size_t errlen, const char *fmt, ...)
{
	va_list args;

	if (!errbuf || !errlen)
		return;
	va_start(args, fmt);
	vsnprintf(errbuf, errlen, fmt, args);
	va_end(args);
}

/* Names with ", " between them, as many as fit. */
struct name_list {
	char text[256];
	size_t length;
};

static void name_list_add(struct name_list *list, const char *name)
{
	int n = snprintf(list->text + list->length, sizeof(list->text) - list->length, "%s%s",
			 list->length ? ", " : "", name);

	if (n > 0 && list->length + (size_t)n < sizeof(list->text))
		list->length += (size_t)n;
	else
		list->text[list->length] = '\0';
}

static int find_model(struct pci_spec *spec, const char *name, char *errbuf, size_t errlen)
{
	struct name_list models = {.length = 0};
	const struct uiommu_model *model;
	unsigned int i;

	spec->model = uiommu_model_find(name);
	if (spec->model)
		return 0;
	for (i = 0; (model = uiommu_model_at(i)); i++)
		name_list_add(&models, model->name);
	if (!*name)
		pci_error(errbuf, errlen, "the device has no model name: the models are %s",
			  models.text);
	else
		pci_error(errbuf, errlen, "there is no device model \"%s\": the models are %s",
			  name, models.text);
	return *name ? -ENODEV : -EINVAL;
}

/* Decimal, octal or 0x..., with K, M or G behind it. */
static int parse_uint(const char *text, uint64_t *value)
{
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	if (*end && strchr("KMG", *end)) {
		shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
		end++;
	}
	if (*end || *value > UINT64_MAX >> shift)
		return -EINVAL;
	*value <<= shift;
	return 0;
}

static int set_option(struct pci_option *option, const char *model, const char *value, char *errbuf,
		      size_t errlen)
{
	const struct uiommu_option_desc *desc = option->desc;
	char *string;

	switch (desc->type) {
	case UIOMMU_OPTION_BOOL:
		option->number = !strcmp(value, "on");
		if (option->number || !strcmp(value, "off"))
			return 0;
		pci_error(errbuf, errlen, "option \"%s\" of %s is \"on\" or \"off\", not \"%s\"",
			  desc->name, model, value);
		return -EINVAL;
	case UIOMMU_OPTION_UINT:
		if (!parse_uint(value, &option->number) && option->number >= desc->min &&
		    option->number <= desc->max)
			return 0;
		pci_error(errbuf, errlen,
			  "option \"%s\" of %s is a number from %llu to %llu, not \"%s\"",
			  desc->name, model, (unsigned long long)desc->min,
			  (unsigned long long)desc->max, value);
		return -EINVAL;
	case UIOMMU_OPTION_STRING:
	default:
		string = strdup(value);
		if (!string)
			return -ENOMEM;
		free(option->string);
		option->string = string;
		return 0;
	}
}

/* Every option of the model, at its default. */
static int default_options(struct pci_spec *spec)
{
	const struct uiommu_option_desc *desc = spec->model->options;
	unsigned int i;
	int rc;

	for (i = 0; desc && desc[i].name; i++)
		;
	spec->nr_options = i;
	spec->options = calloc(spec->nr_options + 1, sizeof(*spec->options));
	if (!spec->options)
		return -ENOMEM;
	for (i = 0; desc && i < spec->nr_options; i++) {
		spec->options[i].desc = &desc[i];
		rc = set_option(&spec->options[i], spec->model->name,
				desc[i].def ? desc[i].def : "", NULL, 0);
		if (rc)
			return rc;
	}
	return 0;
}

const struct uiommu_option_desc *uiommu_common_options(void)
{
	static const struct uiommu_option_desc options[] = {
		{.name = "group",
		 .type = UIOMMU_OPTION_STRING,
		 .help = "in an IOMMU group with all others of this name; empty: in one of its own"},
		{.name = "driver",
		 .type = UIOMMU_OPTION_STRING,
		 .def = "vfio-pci",
		 .help = "the driver that it is bound to at the start; none: to none"},
		{.name = "class",
		 .type = UIOMMU_OPTION_STRING,
		 .def = "the model's",
		 .help = "its PCI class, as in class=0x020000"},
		{.name = NULL},
	};

	return options;
}

static int set_class(struct pci_spec *spec, const char *value, char *errbuf, size_t errlen)
{
	uint64_t number;

	if (!value || parse_uint(value, &number) || number > 0xffffff) {
		pci_error(errbuf, errlen,
			  "option \"class\" is a number of three bytes, as in class=0x020000");
		return -EINVAL;
	}
	spec->has_class = true;
	spec->class_code = (uint32_t)number;
	return 0;
}

static char **common_option(struct pci_spec *spec, const char *name)
{
	if (!strcmp(name, "group"))
		return &spec->group_name;
	return strcmp(name, "driver") ? NULL : &spec->driver_name;
}

static int set_common(char **option, const char *name, const char *value, char *errbuf,
		      size_t errlen)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-";

	if (!value || !*value) {
		pci_error(errbuf, errlen, "option \"%s\" needs a name: write %s=NAME", name, name);
		return -EINVAL;
	}
	/* A driver's is one of a folder, too. */
	if (!strcmp(name, "driver") && (value[strspn(value, safe)] || strlen(value) > 32)) {
		pci_error(errbuf, errlen, "\"%s\" is no name of a driver", value);
		return -EINVAL;
	}
	free(*option);
	*option = strdup(value);
	return *option ? 0 : -ENOMEM;
}

/* "name=value"; @text is changed. */
static int parse_option(struct pci_spec *spec, char *text, char *errbuf, size_t errlen)
{
	const struct uiommu_option_desc *common;
	const char *model = spec->model->name;
	struct name_list names = {.length = 0};
	char *value = strchr(text, '=');
	unsigned int i;

	if (value)
		*value++ = '\0';
	if (!strcmp(text, "class"))
		return set_class(spec, value, errbuf, errlen);
	if (common_option(spec, text))
		return set_common(common_option(spec, text), text, value, errbuf, errlen);
	for (i = 0; i < spec->nr_options; i++) {
		if (strcmp(spec->options[i].desc->name, text)) {
			name_list_add(&names, spec->options[i].desc->name);
			continue;
		}
		if (value)
			return set_option(&spec->options[i], model, value, errbuf, errlen);
		pci_error(errbuf, errlen, "option \"%s\" of %s needs a value: write %s=VALUE", text,
			  model, text);
		return -EINVAL;
	}
	for (common = uiommu_common_options(); common->name; common++)
		name_list_add(&names, common->name);
	pci_error(errbuf, errlen, "%s has no option \"%s\": its options are %s", model, text,
		  names.text);
	return -EINVAL;
}

static int parse_address(struct pci_spec *spec, char *text, char *errbuf, size_t errlen)
{
	char *at = strrchr(text, '@');

	if (!at)
		return 0;
	if (pci_address_parse(at + 1, &spec->address)) {
		pci_error(errbuf, errlen,
			  "\"%s\" is not a PCI address: write DDDD:BB:DD.F, as in 0000:01:00.0",
			  at + 1);
		return -EINVAL;
	}
	spec->has_address = true;
	*at = '\0';
	return 0;
}

int pci_spec_options(struct pci_spec *spec, char *text, char *errbuf, size_t errlen)
{
	char *next;
	int rc;

	rc = default_options(spec);
	for (; !rc && text; text = next) {
		next = strchr(text, ',');
		if (next)
			*next++ = '\0';
		rc = parse_option(spec, text, errbuf, errlen);
	}
	return rc;
}

int pci_spec_parse(struct pci_spec *spec, const char *text, char *errbuf, size_t errlen)
{
	char *copy, *options;
	const char *p;
	int rc;

	memset(spec, 0, sizeof(*spec));
	for (p = text; *p; p++) {
		if ((unsigned char)*p < ' ') {
			pci_error(errbuf, errlen, "a device can't have control characters in it");
			return -EINVAL;
		}
	}
	rc = -ENOMEM;
	copy = strdup(text);
	if (!copy)
		goto out_undo;
	rc = parse_address(spec, copy, errbuf, errlen);
	if (rc)
		goto out_undo;
	rc = -ENOMEM;
	spec->text = strdup(copy);
	if (!spec->text)
		goto out_undo;
	options = strchr(copy, ',');
	if (options)
		*options++ = '\0';
	rc = find_model(spec, copy, errbuf, errlen);
	if (!rc)
		rc = pci_spec_options(spec, options, errbuf, errlen);
	if (rc)
		goto out_undo;
	free(copy);
	return 0;

out_undo:
	if (rc == -ENOMEM)
		pci_error(errbuf, errlen, "there is no memory for the device");
	free(copy);
	pci_spec_fini(spec);
	return rc;
}

void pci_spec_fini(struct pci_spec *spec)
{
	unsigned int i;

	for (i = 0; spec->options && i < spec->nr_options; i++)
		free(spec->options[i].string);
	free(spec->options);
	free(spec->group_name);
	free(spec->driver_name);
	free(spec->text);
	memset(spec, 0, sizeof(*spec));
}

/* ---- what a model asks for ---- */

static const struct pci_option *find_option(const struct uiommu_pci_device *pdev, const char *name,
					    enum uiommu_option_type type)
{
	unsigned int i;

	for (i = 0; i < pdev->nr_options; i++) {
		const struct pci_option *option = &pdev->options[i];

		if (option->desc->type == type && !strcmp(option->desc->name, name))
			return option;
	}
	assert(!"an option that the model did not declare");
	return NULL;
}

bool uiommu_pci_option_bool(const struct uiommu_pci_device *pdev, const char *name)
{
	const struct pci_option *option = find_option(pdev, name, UIOMMU_OPTION_BOOL);

	return option && option->number;
}

uint64_t uiommu_pci_option_uint(const struct uiommu_pci_device *pdev, const char *name)
{
	const struct pci_option *option = find_option(pdev, name, UIOMMU_OPTION_UINT);

	return option ? option->number : 0;
}

const char *uiommu_pci_option_string(const struct uiommu_pci_device *pdev, const char *name)
{
	const struct pci_option *option = find_option(pdev, name, UIOMMU_OPTION_STRING);

	return option ? option->string : NULL;
}
