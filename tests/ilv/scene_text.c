/* scene_text.c — scenes as text (scene.h). */

#include "scene_internal.h"

#include <stdio.h>
#include <string.h>

static bool take_name(const char **text, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(*text, name, length) != 0 || ((*text)[length] != '\0' && strchr(":|+^", (*text)[length]) == NULL)) {
        return false;
    }
    *text += length;
    return true;
}

bool scene_parse(const char *text, struct scene *scene)
{
    *scene = (struct scene){.mode = scene_modes(), .situation = scene_situations()};
    for (unsigned i = 0; i < scene_modes() && scene->mode == scene_modes(); i++) {
        if (take_name(&text, scene_mode_table[i].name)) {
            scene->mode = i;
        }
    }
    if (scene->mode == scene_modes() || *text++ != ':') {
        return false;
    }
    for (unsigned i = 0; i < scene_situations() && scene->situation == scene_situations(); i++) {
        if (take_name(&text, scene_situation_table[i].name)) {
            scene->situation = i;
        }
    }
    if (scene->situation == scene_situations()) {
        return false;
    }
    while (*text != '\0') {
        char separator = *text++;
        unsigned thread = separator == '+' ? scene->threads - 1 : scene->threads++;
        unsigned kind = 0;
        while (kind < scene_kinds() && !take_name(&text, scene_kind_table[kind].name)) {
            kind++;
        }
        if (kind == scene_kinds() || thread >= SCHEDULE_THREADS || scene->calls[thread] == SCENE_CALLS) {
            return false;
        }
        scene->last_interrupts = scene->last_interrupts || separator == '^';
        scene->call[thread][scene->calls[thread]++] = kind;
    }
    return scene->threads > 0;
}

void scene_print(const struct scene *scene, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "%s:%s", scene_mode_table[scene->mode].name,
                                   scene_situation_table[scene->situation].name);
    for (unsigned thread = 0; thread < scene->threads; thread++) {
        bool interrupts = scene->last_interrupts && thread == scene->threads - 1;
        for (unsigned i = 0; i < scene->calls[thread] && used < capacity; i++) {
            char separator = i > 0 ? '+' : thread == 0 ? ':' : interrupts ? '^' : '|';
            used += (size_t)snprintf(text + used, capacity - used, "%c%s", separator,
                                     scene_kind_table[scene->call[thread][i]].name);
        }
    }
}
