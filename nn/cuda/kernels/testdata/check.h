// Operands between guards, random numbers, and comparison with references in double.

static int failures;
static std::string scene; // what is being checked

static void fail(const std::string& what) {
    if (++failures <= 20) printf("%s: %s\n", scene.c_str(), what.c_str());
}

static unsigned long long seed = 1;
static double uniform() { // from -1 to 1
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (double)(long long)seed / 9223372036854775808.0;
}

static float as_float(float v) { return v; }
static float as_float(bf16 v) { return widen(v); }

// operand is n elements with guards on both sides, shift elements after an address that 16 divides.
template <typename T> struct operand {
    static constexpr size_t guard = 64;
    std::vector<unsigned char> all;
    size_t n, begin;
    explicit operand(size_t n, int shift = 0) : all((n + 2 * guard) * sizeof(T) + 16, 0xa5), n(n) {
        begin = guard * sizeof(T) + 16 - ((size_t)all.data() + guard * sizeof(T)) % 16 + shift * sizeof(T);
    }
    operand(const operand& o) : operand(o.n, (int)((size_t)o.p() % 16 / sizeof(T))) { memcpy(p(), o.p(), n * sizeof(T)); }
    T* p() const { return (T*)(all.data() + begin); }
    T& operator[](size_t i) { return p()[i]; }
    double value(size_t i) const { return as_float(p()[i]); }
    std::vector<double> values() const {
        std::vector<double> v(n);
        for (size_t i = 0; i < n; i++) v[i] = value(i);
        return v;
    }
    operand& random(double mean = 0, double width = 1) {
        for (size_t i = 0; i < n; i++) narrow(p() + i, (float)(mean + width * uniform()));
        return *this;
    }
    void guards(const char* what) const {
        for (size_t i = 0; i < all.size(); i++)
            if ((i < begin || i >= begin + n * sizeof(T)) && all[i] != 0xa5) return fail(std::string(what) + " was written outside its bounds");
    }
};

// compare allows tolerance relative to the larger of |want| and usual, and for a bf16 half a unit in the last place more.
template <typename T> static void compare(const char* what, const operand<T>& got, const std::vector<double>& want, double tolerance = 2e-6, double usual = 1) {
    got.guards(what);
    for (size_t i = 0; i < want.size(); i++) {
        const double rounding = sizeof(T) == 2 ? fabs(want[i]) / 256 : 0;
        const double bound = tolerance * fmax(fabs(want[i]), usual) + rounding;
        if (!(fabs(got.value(i) - want[i]) <= bound) && !(got.value(i) != got.value(i) && want[i] != want[i])) {
            char text[200];
            snprintf(text, sizeof text, "%s[%zu] = %.9g, want %.9g", what, i, got.value(i), want[i]);
            return fail(text);
        }
    }
}

static std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
static std::string text(const char* format, ...) {
    char out[300];
    va_list a;
    va_start(a, format);
    vsnprintf(out, sizeof out, format, a);
    va_end(a);
    return out;
}

static const launch_shape grids[] = {{1, 1, 32}, {3, 1, 96}};

// The kernels of a type, called by one name: ON(T, relu)(...) is relu_f32 or relu_bf16.
#define ON(T, name) pick<T>(name##_f32, name##_bf16)
template <typename T, typename F, typename B> static auto pick(F f, B b) {
    if constexpr (std::is_same<T, float>::value)
        return f;
    else
        return b;
}
template <typename T> static const char* type_name() { return sizeof(T) == 4 ? "f32" : "bf16"; }
static double relu_of(double v) { return v > 0 ? v : v != v ? v : 0; }
