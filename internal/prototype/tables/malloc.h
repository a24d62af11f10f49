// What allocators that replace malloc export.

void *malloc(size_t size) @fails(null) @alias(tc_malloc, mi_malloc, je_malloc);
void *calloc(size_t nmemb, size_t size) @fails(null) @alias(tc_calloc, mi_calloc, je_calloc);
void *realloc(void *ptr, size_t size) @fails(null) @alias(tc_realloc, mi_realloc, je_realloc);
void *reallocarray(void *ptr, size_t nmemb, size_t size) @fails(null);
void free(void *ptr) @alias(tc_free, mi_free, je_free, cfree);
void *memalign(size_t alignment, size_t size) @fails(null) @alias(tc_memalign, mi_memalign, je_memalign);
void *aligned_alloc(size_t alignment, size_t size) @fails(null) @alias(mi_aligned_alloc, je_aligned_alloc);
int @errno posix_memalign(void **memptr @out, size_t alignment, size_t size) @alias(tc_posix_memalign, mi_posix_memalign, je_posix_memalign);
void *valloc(size_t size) @fails(null) @alias(tc_valloc);
void *pvalloc(size_t size) @fails(null) @alias(tc_pvalloc);
size_t malloc_usable_size(void *ptr) @alias(tc_malloc_size, mi_usable_size);
void *mallocx(size_t size, int flags @hex);
void *rallocx(void *ptr, size_t size, int flags @hex);
size_t xallocx(void *ptr, size_t size, size_t extra, int flags @hex);
size_t sallocx(const void *ptr, int flags @hex);
void dallocx(void *ptr, int flags @hex);
void sdallocx(void *ptr, size_t size, int flags @hex);
size_t nallocx(size_t size, int flags @hex);
int @errno mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);
