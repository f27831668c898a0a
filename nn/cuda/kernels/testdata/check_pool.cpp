// gathers checks a gradient with and without accumulation and mask: want is the plain one.
template <typename T, typename K> static void check_gathers(const char* what, const std::vector<double>& want, int shift, double usual, K kernel) {
    for (int accumulate : {0, 1})
        for (int with_mask : {0, 1}) {
            operand<T> dx(want.size(), shift), mask(want.size());
            dx.random(), mask.random();
            std::vector<double> expected = want;
            for (size_t i = 0; i < want.size(); i++) {
                if (accumulate) expected[i] += dx.value(i);
                if (with_mask && !(mask.value(i) > 0)) expected[i] = 0;
            }
            kernel(dx.p(), with_mask ? mask.p() : nullptr, accumulate);
            compare(text("%s, accumulate %d, mask %d", what, accumulate, with_mask).c_str(), dx, expected, 2e-6, usual);
        }
}

template <typename T> static void check_pool() {
    const pool shapes[] = {
        {2, 4, 6, 3, 0, 0, 2, 2, 2, 2, 0, 0},  {1, 5, 7, 2, 0, 0, 2, 2, 2, 2, 0, 0}, {2, 5, 6, 8, 0, 0, 3, 3, 2, 2, 1, 1}, {2, 4, 4, 5, 0, 0, 3, 3, 1, 1, 1, 1},
        {1, 4, 5, 1, 0, 0, 3, 2, 1, 2, 0, 1},  {2, 3, 4, 16, 0, 0, 3, 4, 1, 1, 0, 0}, {1, 6, 5, 2, 0, 0, 2, 2, 3, 3, 0, 0}, {1, 9, 9, 96, 0, 0, 3, 3, 2, 2, 0, 0},
        {1, 3, 3, 264, 0, 0, 3, 3, 1, 1, 1, 1}, {3, 6, 6, 6, 0, 0, 2, 2, 2, 2, 0, 0}, {1, 40, 40, 1, 0, 0, 3, 3, 2, 2, 1, 1}, {1, 17, 16, 1, 0, 0, 16, 16, 1, 1, 8, 8}};
    for (launch_shape l : grids)
        for (pool g : shapes)
            for (int shift : {0, 1}) {
                g.oh = (g.h + 2 * g.ph - g.kh) / g.sh + 1;
                g.ow = (g.w + 2 * g.pw - g.kw) / g.sw + 1;
                scene = text("pool %s, %dx%dx%dx%d, window %dx%d, stride %dx%d, padding %dx%d, shift %d, %u threads", type_name<T>(), g.n, g.h, g.w, g.c, g.kh, g.kw,
                             g.sh, g.sw, g.ph, g.pw, shift, l.x * l.threads);
                const int in = g.n * g.h * g.w * g.c, out = g.n * g.oh * g.ow * g.c, whole = (out + 3) / 4 * 4;
                operand<T> x(in, shift), y(out), dy(out, shift);
                operand<unsigned char> where(whole);
                dy.random();
                for (int i = 0; i < in; i++) narrow(&x[i], (float)(int)(3 * uniform())); // many are equal
                narrow(&x[in / 2], NAN), narrow(&x[0], -INFINITY);
                if (in > 9) narrow(&x[g.c < in ? g.c : 1], -INFINITY);
                std::vector<double> average(out), largest(out), average_back(in), largest_back(in);
                std::vector<unsigned char> taps(whole);
                for (int o = 0; o < out; o++) {
                    const int c = o % g.c, ow = o / g.c % g.ow, oh = o / g.c / g.ow % g.oh, n = o / g.c / g.ow / g.oh;
                    bool found = false;
                    int best = -1;
                    for (int t = 0; t < g.kh * g.kw; t++) {
                        const int h = oh * g.sh - g.ph + t / g.kw, w = ow * g.sw - g.pw + t % g.kw;
                        if (h < 0 || h >= g.h || w < 0 || w >= g.w) continue;
                        const int i = ((n * g.h + h) * g.w + w) * g.c + c;
                        average[o] += x.value(i) / (g.kh * g.kw);
                        average_back[i] += dy.value(o) / (g.kh * g.kw);
                        const double v = x.value(i);
                        if (!found || v > largest[o] || v != v) largest[o] = v, taps[o] = (unsigned char)t, best = i;
                        found = true;
                    }
                    largest_back[best] += dy.value(o);
                }
                launch(l, [&] { ON(T, maxpool)(y.p(), where.p(), x.p(), g); });
                for (int o = 0; o < out; o++) // infinities compare by themselves
                    if (!(y.value(o) == largest[o] || (y.value(o) != y.value(o) && largest[o] != largest[o]))) {
                        fail(text("maxpool[%d] = %g, want %g", o, y.value(o), largest[o]));
                        break;
                    }
                if (memcmp(where.p(), taps.data(), whole) != 0) fail("where is wrong");
                y.guards("maxpool"), where.guards("where");
                operand<T> again(out);
                launch(l, [&] { ON(T, maxpool)(again.p(), nullptr, x.p(), g); });
                if (memcmp(again.p(), y.p(), out * sizeof(T)) != 0) fail("maxpool without where differs");
                check_gathers<T>("maxpool_backward", largest_back, shift, 1, [&](T* dx, const T* mask, int accumulate) {
                    launch(l, [&] { ON(T, maxpool_backward)(dx, dy.p(), where.p(), mask, accumulate, g); });
                });
                check_gathers<T>("avgpool_backward", average_back, shift, 1, [&](T* dx, const T* mask, int accumulate) {
                    launch(l, [&] { ON(T, avgpool_backward)(dx, dy.p(), mask, accumulate, g); });
                });

                for (int i : {0, in / 2, g.c < in ? g.c : 1 % in}) { // finite ones
                    const double old = x.value(i);
                    if (old - old == 0) continue;
                    narrow(&x[i], 2);
                }
                for (double& v : average) v = 0;
                for (int o = 0; o < out; o++)
                    for (int t = 0; t < g.kh * g.kw; t++) {
                        const int c = o % g.c, ow = o / g.c % g.ow, oh = o / g.c / g.ow % g.oh, n = o / g.c / g.ow / g.oh;
                        const int h = oh * g.sh - g.ph + t / g.kw, w = ow * g.sw - g.pw + t % g.kw;
                        if (h >= 0 && h < g.h && w >= 0 && w < g.w) average[o] += x.value(((n * g.h + h) * g.w + w) * g.c + c) / (g.kh * g.kw);
                    }
                launch(l, [&] { ON(T, avgpool)(y.p(), x.p(), g); });
                compare("avgpool", y, average);
            }
}
