// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * base/event.c - events on their way to the host
 *
 * Nothing is queued: the host's function runs in the thread to which the event
 * happened.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/ctx.h"

void ui_event(struct uiommu *ctx, const struct uiommu_event *event)
{
	if (ctx->event)
		ctx->event(ctx->opaque, event);
}

void ui_note(struct uiommu *ctx, const char *fmt, ...)
{
	char text[200];
	const struct uiommu_event event = {
		.type = UIOMMU_EVENT_NOTE,
		.reason = text,
	};
	va_list args;

	if (!ctx->event)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ui_event(ctx, &event);
}
