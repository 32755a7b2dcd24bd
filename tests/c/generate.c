/* Asks for what its arguments say through the C interface, and tries what must be refused.
 * Usage: generate FOLDER ASK OUTPUT */
#include "edrun.h"
#include <stdio.h>
#include <string.h>

#define CHECK(what)                                                                                 \
    do {                                                                                            \
        if (!(what)) {                                                                              \
            fprintf(stderr, "line %d: %s does not hold; last error: %s\n", __LINE__, #what,        \
                    edrun_last_error());                                                            \
            return 1;                                                                               \
        }                                                                                           \
    } while (0)

struct seen {
    size_t steps;
    size_t stages;
    size_t stop_at; /* 0 for never */
};

static int watch(void *context, const EdrunEvent *event) {
    struct seen *seen = context;
    if (event->kind == EDRUN_EVENT_KIND_STAGE && event->text && *event->text) seen->stages++;
    if (event->kind != EDRUN_EVENT_KIND_STEP) return 0;
    seen->steps++;
    return seen->stop_at != 0 && event->done >= seen->stop_at;
}

static unsigned long sum(const unsigned char *bytes, size_t count) {
    unsigned long all = 0;
    for (size_t i = 0; i < count; i++) all = all * 31 + bytes[i];
    return all;
}

static int refusals(const char *folder) {
    CHECK(edrun_open("no/such/folder", NULL) == NULL);
    CHECK(edrun_last_error_kind() == EDRUN_ERROR_KIND_MODEL && strstr(edrun_last_error(), "no/such/folder"));
    CHECK(edrun_open(NULL, NULL) == NULL && edrun_last_error_kind() == EDRUN_ERROR_KIND_ASK);
    CHECK(edrun_open("\xff", NULL) == NULL && strstr(edrun_last_error(), "UTF-8"));
    CHECK(edrun_open(folder, "{\"colour\": 1}") == NULL && strstr(edrun_last_error(), "colour"));
    CHECK(edrun_open(folder, "{\"ep\": \"abacus\"}") == NULL);
    CHECK(edrun_last_error_kind() == EDRUN_ERROR_KIND_RUNTIME && strstr(edrun_last_error(), "abacus"));
    CHECK(edrun_generate(NULL, "{}") == NULL && edrun_last_error_kind() == EDRUN_ERROR_KIND_ASK);
    edrun_free(NULL);
    edrun_close(NULL);
    CHECK(edrun_last_error_kind() == EDRUN_ERROR_KIND_NONE && *edrun_last_error() == '\0');
    return 0;
}

static int refused_asks(EdrunPipeline *pipeline) {
    static const char *const asks[][2] = {
        {"prompt", "no JSON"},
        {"[]", "object"},
        {"{}", "prompt"},
        {"{\"prompt\": \"a\", \"colour\": 1}", "colour"},
        {"{\"prompt\": \"a\", \"steps\": \"many\"}", "steps"},
        {"{\"prompt\": \"a\", \"steps\": 0}", "steps"},
        {"{\"prompt\": \"a\", \"sampler\": \"dowsing\"}", "dowsing"},
    };
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        CHECK(edrun_generate(pipeline, asks[i][0]) == NULL);
        CHECK(edrun_last_error_kind() == EDRUN_ERROR_KIND_ASK && strstr(edrun_last_error(), asks[i][1]));
    }
    CHECK(edrun_generate(pipeline, NULL) == NULL && edrun_last_error_kind() == EDRUN_ERROR_KIND_ASK);
    return 0;
}

static int stopped(EdrunPipeline *pipeline, const char *ask) {
    struct seen seen = {.stop_at = 1};
    edrun_on_progress(pipeline, watch, &seen);
    CHECK(edrun_generate(pipeline, ask) == NULL);
    CHECK(edrun_last_error_kind() == EDRUN_ERROR_KIND_CANCELLED && seen.steps == 1);
    edrun_on_progress(pipeline, NULL, NULL);
    edrun_cancel(pipeline);
    CHECK(edrun_generate(pipeline, ask) == NULL && edrun_last_error_kind() == EDRUN_ERROR_KIND_CANCELLED);
    return 0;
}

static int results(EdrunPipeline *pipeline, const char *ask, const char *output) {
    struct seen seen = {0};
    edrun_on_progress(pipeline, watch, &seen);
    EdrunResults *made = edrun_generate(pipeline, ask);
    CHECK(made != NULL && edrun_count(made) == 1 && edrun_failure(made, 0) == NULL);
    CHECK(seen.steps > 1 && seen.stages > 1);
    EdrunImage image;
    CHECK(edrun_image(made, 0, &image) && edrun_seed(made, 0) == 7);
    CHECK(!edrun_image(made, 1, &image) && !edrun_image(made, 0, NULL));
    EdrunSound sound;
    EdrunMesh mesh;
    CHECK(!edrun_sound(made, 0, &sound) && !edrun_mesh(made, 0, &mesh) && edrun_text(made, 0) == NULL);
    CHECK(!edrun_save(made, 0, "picture.xyz") && edrun_last_error_kind() == EDRUN_ERROR_KIND_ASK);
    CHECK(!edrun_save(made, 0, "no/such/folder/picture.png") && edrun_last_error_kind() == EDRUN_ERROR_KIND_IO);
    CHECK(edrun_save(made, 0, output));
    printf("%zu %zu %lu\n", image.width, image.height, sum(image.rgb, image.width * image.height * 3));
    edrun_free(made);
    return 0;
}

int main(int count, char **words) {
    edrun_silence_telemetry();
    if (count != 4 || refusals(words[1]) != 0) return 1;
    EdrunPipeline *pipeline = edrun_open(words[1], "{\"threads\": 1}");
    CHECK(pipeline != NULL && strcmp(edrun_modality(pipeline), "image") == 0);
    if (refused_asks(pipeline) || stopped(pipeline, words[2]) || results(pipeline, words[2], words[3])) return 1;
    edrun_close(pipeline);
    return 0;
}
