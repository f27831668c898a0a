template <typename T> static void check_elementwise() {
    for (launch_shape l : grids)
        for (int n : {1, 3, 4, 37, 1000, 4097})
            for (int shift : {0, 1}) {
                scene = text("elementwise %s, %d elements, shift %d, %u threads", type_name<T>(), n, shift, l.x * l.threads);
                operand<T> a(n, shift), b(n), y(n);
                a.random();
                b.random();
                a[0] = b[0]; // of one sign
                std::vector<double> va = a.values(), vb = b.values(), want(n);
                auto each = [&](const char* what, auto f, auto kernel, double tolerance = 2e-6) {
                    for (int i = 0; i < n; i++) want[i] = f(i);
                    launch(l, [&] { kernel(y.p()); });
                    compare(what, y, want, tolerance);
                    operand<T> in_place(a); // dst is the first source
                    std::swap(in_place, a);
                    launch(l, [&] { kernel(a.p()); });
                    compare(what, a, want, tolerance);
                    std::swap(in_place, a);
                };
                each("relu", [&](int i) { return relu_of(va[i]); }, [&](T* y) { ON(T, relu)(y, a.p(), n); });
                each("relu_backward", [&](int i) { return vb[i] > 0 ? va[i] : 0; }, [&](T* y) { ON(T, relu_backward)(y, a.p(), b.p(), n); });
                each("add", [&](int i) { return va[i] + vb[i]; }, [&](T* y) { ON(T, add)(y, a.p(), b.p(), n, 0); });
                each("add relu", [&](int i) { return relu_of(va[i] + vb[i]); }, [&](T* y) { ON(T, add)(y, a.p(), b.p(), n, 1); });
                each("sigmoid", [&](int i) { return 1 / (1 + exp(-va[i])); }, [&](T* y) { ON(T, sigmoid)(y, a.p(), n); });
                each("sigmoid_backward", [&](int i) { return va[i] * vb[i] * (1 - vb[i]); }, [&](T* y) { ON(T, sigmoid_backward)(y, a.p(), b.p(), n); });

                const unsigned key[2] = {0x76543210u, 0xfedcba98u}, threshold = 0x4ccccccdu;
                auto dropped = [&](int i) {
                    unsigned x = (unsigned)i ^ key[0];
                    for (int k = 0; k < 2; k++) {
                        if (k == 1) x += key[1] + 2 * 0x9E3779B9u;
                        x = (x ^ x >> 16) * 0x7feb352du;
                        x = (x ^ x >> 15) * 0x846ca68bu;
                        x ^= x >> 16;
                    }
                    return x >= threshold ? va[i] / 0.7 : 0;
                };
                each("dropout", dropped, [&](T* y) { ON(T, dropout)(y, a.p(), key, nullptr, n, (float)(1 / 0.7), threshold, 2); });
                each("dropout mask", [&](int i) { return vb[i] > 0 ? dropped(i) : 0; },
                     [&](T* y) { ON(T, dropout)(y, a.p(), key, b.p(), n, (float)(1 / 0.7), threshold, 2); });

                operand<T> masked(a);
                for (int i = 0; i < n; i++) want[i] = vb[i] > 0 ? va[i] : 0;
                launch(l, [&] { ON(T, mask)(masked.p(), b.p(), n); });
                compare("mask", masked, want);

                operand<float> f(n, shift), back(n);
                f.random();
                launch(l, [&] { ON(T, cast)(y.p(), f.p(), n); });
                compare("cast", y, f.values(), 0);
                launch(l, [&] { ON(T, uncast)(back.p(), a.p(), n); });
                compare("uncast", back, va, 0);
            }

    scene = text("not a number %s", type_name<T>());
    operand<T> x(2), y(2), one(2);
    narrow(&x[0], NAN), narrow(&x[1], -0.0f), narrow(&one[0], 1), narrow(&one[1], NAN);
    launch(grids[0], [&] { ON(T, relu)(y.p(), x.p(), 2); });
    compare("relu", y, {NAN, 0});
    if (std::signbit(as_float(y[1]))) fail("relu of -0 is -0");
    launch(grids[0], [&] { ON(T, relu_backward)(y.p(), one.p(), x.p(), 2); });
    compare("relu_backward", y, {0, 0});
    launch(grids[0], [&] { ON(T, mask)(one.p(), one.p(), 2); });
    compare("mask", one, {1, 0});
}

// Every float16 of the upper half and every case of rounding.
static void check_rounding() {
    scene = "rounding";
    for (unsigned upper = 0; upper < 0x10000; upper++)
        for (unsigned lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
            const float v = from_bits(upper << 16 | lower);
            bf16 got;
            narrow(&got, v);
            if (v != v) {
                if (widen(got) == widen(got)) return fail("a number from what is none");
                continue;
            }
            const unsigned want = lower > 0x8000 || (lower == 0x8000 && upper % 2 == 1) ? upper + 1 : upper;
            if (got != want) return fail(text("%08x is rounded to %04x, want %04x", upper << 16 | lower, got, want));
        }
}

template <typename T> static void check_channels() {
    struct {
        int pixels, c, pitch;
    } shapes[] = {{1, 1, 1}, {8, 1, 1}, {5, 3, 3}, {12, 6, 6}, {8, 10, 10}, {9, 10, 16}, {7, 8, 8}, {6, 16, 40}, {3, 1000, 1000}, {40, 64, 64}, {16, 6, 8}, {8, 5, 5}, {4, 300, 304}};
    for (launch_shape l : grids)
        for (auto s : shapes)
            for (int shift : {0, 1}) {
                scene = text("channels %s, %d pixels of %d, pitch %d, shift %d, %u threads", type_name<T>(), s.pixels, s.c, s.pitch, shift, l.x * l.threads);
                const int span = (s.pixels - 1) * s.pitch + s.c;
                operand<T> x(s.pixels * s.c, shift), y(span), wide(span, shift), dense(s.pixels * s.c);
                operand<float> b(s.c);
                x.random(), b.random(), wide.random();
                for (int bias : {0, 1})
                    for (int with_relu : {0, 1}) {
                        memset(y.p(), 0xa5, span * sizeof(T));
                        std::vector<double> want = y.values();
                        for (int i = 0; i < s.pixels * s.c; i++) {
                            double v = x.value(i) + (bias ? b.value(i % s.c) : 0);
                            want[i / s.c * s.pitch + i % s.c] = with_relu ? relu_of(v) : v;
                        }
                        launch(l, [&] { ON(T, bias_act)(y.p(), s.pitch, x.p(), bias ? b.p() : nullptr, s.pixels, s.c, with_relu); });
                        compare("bias_act", y, want);
                        if (s.pitch == s.c) {
                            operand<T> in_place(x);
                            launch(l, [&] { ON(T, bias_act)(in_place.p(), s.c, in_place.p(), bias ? b.p() : nullptr, s.pixels, s.c, with_relu); });
                            compare("bias_act in place", in_place, want);
                        }
                    }
                memset(y.p(), 0xa5, span * sizeof(T));
                std::vector<double> out = y.values(), in(s.pixels * s.c);
                for (int i = 0; i < s.pixels * s.c; i++) {
                    out[i / s.c * s.pitch + i % s.c] = x.value(i);
                    in[i] = wide.value(i / s.c * s.pitch + i % s.c);
                }
                launch(l, [&] { ON(T, copy_channels)(y.p(), s.pitch, x.p(), s.c, s.pixels, s.c); });
                compare("copy_channels", y, out, 0);
                launch(l, [&] { ON(T, copy_channels)(dense.p(), s.c, wide.p(), s.pitch, s.pixels, s.c); });
                compare("copy_channels", dense, in, 0);
            }
}
