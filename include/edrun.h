/* Runs exported diffusion models of every modality on ONNX Runtime.
 * Made of src/c.rs by .ci/header; change that file instead. */

#ifndef EDRUN_H
#define EDRUN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * What kind of error it was.
 */
typedef enum EdrunErrorKind {
  /**
   * None.
   */
  EDRUN_ERROR_KIND_NONE = 0,
  /**
   * A model folder that is missing, damaged, or of no family that this build runs.
   */
  EDRUN_ERROR_KIND_MODEL = 1,
  /**
   * A wish that this model cannot fulfil, or an argument that is none.
   */
  EDRUN_ERROR_KIND_ASK = 2,
  /**
   * No usable ONNX Runtime library, or an execution provider that cannot serve.
   */
  EDRUN_ERROR_KIND_RUNTIME = 3,
  /**
   * The run failed.
   */
  EDRUN_ERROR_KIND_RUN = 4,
  /**
   * Stopped on request.
   */
  EDRUN_ERROR_KIND_CANCELLED = 5,
  /**
   * Reading or writing a file failed.
   */
  EDRUN_ERROR_KIND_IO = 6,
  /**
   * A mistake in edrun; please report it.
   */
  EDRUN_ERROR_KIND_INTERNAL = 7,
} EdrunErrorKind;

/**
 * What an event tells.
 */
typedef enum EdrunEventKind {
  /**
   * A stage begins; `text` is its name.
   */
  EDRUN_EVENT_KIND_STAGE = 0,
  /**
   * The result `index` has made `done` of `total` steps (of a text: tokens).
   */
  EDRUN_EVENT_KIND_STEP = 1,
  /**
   * `text` is worth knowing and did not stop the run.
   */
  EDRUN_EVENT_KIND_NOTE = 2,
} EdrunEventKind;

/**
 * A model, opened.
 */
typedef struct EdrunPipeline EdrunPipeline;

/**
 * What came of an ask.
 */
typedef struct EdrunResults EdrunResults;

/**
 * What a run tells while it goes on.
 */
typedef struct EdrunEvent {
  /**
   * What it tells.
   */
  enum EdrunEventKind kind;
  /**
   * A stage or a note, else NULL; valid until the callback returns.
   */
  const char *text;
  /**
   * Which of the ask's results, from 0.
   */
  size_t index;
  /**
   * Steps done.
   */
  size_t done;
  /**
   * Steps in all.
   */
  size_t total;
} EdrunEvent;

/**
 * Receives events on the thread that called `edrun_generate`; any other answer than 0 stops the run. It must not call
 * back into the same pipeline, except for `edrun_cancel`.
 */
typedef int (*EdrunProgress)(void *context, const struct EdrunEvent *event);

/**
 * A picture: three bytes a pixel (red, green, blue in sRGB), row by row from the top.
 */
typedef struct EdrunImage {
  /**
   * Pixels.
   */
  size_t width;
  /**
   * Pixels.
   */
  size_t height;
  /**
   * `height * width * 3` bytes, valid until the results are freed.
   */
  const uint8_t *rgb;
} EdrunImage;

/**
 * A sound: channel by channel, full scale from -1 to 1.
 */
typedef struct EdrunSound {
  /**
   * Samples a second of each channel.
   */
  uint32_t sample_rate;
  /**
   * Channels.
   */
  size_t channels;
  /**
   * Samples of each channel.
   */
  size_t samples;
  /**
   * `channels * samples` values, valid until the results are freed.
   */
  const float *values;
} EdrunSound;

/**
 * A mesh: metres, Y up, triangles counter-clockwise seen from outside.
 */
typedef struct EdrunMesh {
  /**
   * Corners.
   */
  size_t corners;
  /**
   * `corners * 3` coordinates, valid until the results are freed.
   */
  const float *positions;
  /**
   * `corners * 3` colours in sRGB from 0 to 1, or NULL.
   */
  const float *colours;
  /**
   * Triangles.
   */
  size_t triangles;
  /**
   * `triangles * 3` corners by number.
   */
  const uint32_t *indices;
} EdrunMesh;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, such as `0.1.0`.
 */
const char *edrun_version(void);

/**
 * Switches off the telemetry of ONNX Runtime, which is on in its own builds. Call it first, before any thread starts: it
 * sets the environment variable `ORT_DISABLE_TELEMETRY`.
 */
void edrun_silence_telemetry(void);

/**
 * What went wrong in the last call on this thread, in one sentence; empty when nothing did. Valid until the next call on
 * this thread.
 */
const char *edrun_last_error(void);

/**
 * What kind of error the last call on this thread ended with.
 */
enum EdrunErrorKind edrun_last_error_kind(void);

/**
 * Opens a model folder, or a built-in model by its name. `settings` is NULL or a JSON object of flags: `ep`,
 * `ep_fallback`, `threads`, `batch`, `cache_models`, `keep_loaded`, `ort_lib`, `runtime`. Returns NULL on failure.
 *
 * # Safety
 * Both are NULL or texts in UTF-8 that end with a NUL byte.
 */
struct EdrunPipeline *edrun_open(const char *folder, const char *settings);

/**
 * What the model makes: `image`, `audio`, `3d`, `video` or `text`. Valid until the pipeline is closed.
 *
 * # Safety
 * `pipeline` is from `edrun_open` and not closed.
 */
const char *edrun_modality(const struct EdrunPipeline *pipeline);

/**
 * Has `callback` told how later runs go on; NULL ends that. `context` is handed back to it.
 *
 * # Safety
 * `pipeline` is from `edrun_open` and not closed; `callback` may be called with `context`, on the thread that generates,
 * until another one is set or the pipeline is closed.
 */
void edrun_on_progress(const struct EdrunPipeline *pipeline,
                       EdrunProgress callback,
                       void *context);

/**
 * Makes what a JSON object asks for, such as `{"prompt": "a red cube", "seed": 7}`: its keys are the flags of `edrun`
 * with underscores. Returns NULL on failure; results that failed alone are listed by `edrun_failure`. Calls on one
 * pipeline wait for each other.
 *
 * # Safety
 * `pipeline` is from `edrun_open` and not closed; `ask` is NULL or a text in UTF-8 that ends with a NUL byte.
 */
struct EdrunResults *edrun_generate(const struct EdrunPipeline *pipeline, const char *ask);

/**
 * Stops what the pipeline does, or would do next; from any thread. The run ends with an error of kind `Cancelled`.
 *
 * # Safety
 * `pipeline` is from `edrun_open` and not closed.
 */
void edrun_cancel(const struct EdrunPipeline *pipeline);

/**
 * How many results there are.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed.
 */
size_t edrun_count(const struct EdrunResults *results);

/**
 * Why the failure number `index` happened; NULL when there are not so many. Valid until the results are freed.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed.
 */
const char *edrun_failure(const struct EdrunResults *results, size_t index);

/**
 * The seed that a result was made with; 0 when there is no such result.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed.
 */
uint64_t edrun_seed(const struct EdrunResults *results, size_t index);

/**
 * Writes a result in the format that the ending of `path` names (a text as it is), with how it was made in it; whole or
 * not at all.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed; `path` is NULL or a text in UTF-8 that ends with a NUL byte.
 */
bool edrun_save(const struct EdrunResults *results, size_t index, const char *path);

/**
 * Fills in `image` with a result; false when it is no picture.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed; `image` is NULL or can be written.
 */
bool edrun_image(const struct EdrunResults *results, size_t index, struct EdrunImage *image);

/**
 * Fills in `sound` with a result; false when it is no sound.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed; `sound` is NULL or can be written.
 */
bool edrun_sound(const struct EdrunResults *results, size_t index, struct EdrunSound *sound);

/**
 * Fills in `mesh` with a result; false when it is no mesh.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed; `mesh` is NULL or can be written.
 */
bool edrun_mesh(const struct EdrunResults *results, size_t index, struct EdrunMesh *mesh);

/**
 * A result that is a text, in UTF-8; NULL when it is none. Valid until the results are freed.
 *
 * # Safety
 * `results` is from `edrun_generate` and not freed.
 */
const char *edrun_text(const struct EdrunResults *results, size_t index);

/**
 * Frees results and all that was read from them; NULL is none.
 *
 * # Safety
 * `results` is NULL, or from `edrun_generate` and not freed yet.
 */
void edrun_free(struct EdrunResults *results);

/**
 * Closes a pipeline and gives its memory back; NULL is none. No other call on it may be under way.
 *
 * # Safety
 * `pipeline` is NULL, or from `edrun_open` and not closed yet.
 */
void edrun_close(struct EdrunPipeline *pipeline);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EDRUN_H */
