template <typename T> static void check_loss() {
    struct {
        int n, c;
        double smoothing;
    } shapes[] = {{1, 2, 0}, {3, 5, 0}, {7, 10, 0}, {3, 5, 0.1}, {600, 10, 0.1}, {5, 33, 0.2}, {9, 1000, 0}, {20, 32, 0.5}};
    for (auto s : shapes)
        for (unsigned threads : {32u, 96u, 512u}) {
            scene = text("loss %s, %d samples, %d classes, smoothing %g, %u threads", type_name<T>(), s.n, s.c, s.smoothing, threads);
            operand<T> logits(s.n * s.c), dlogits(s.n * s.c);
            operand<float> labels(s.n), scale(1), stats(2);
            logits.random(0, 4);
            narrow(&logits[0], 200);
            logits[s.n * s.c - 1] = logits[s.n * s.c - 2]; // equal
            scale[0] = 0.125f;
            double loss = 0, correct = 0;
            std::vector<double> want(s.n * s.c);
            for (int n = 0; n < s.n; n++) {
                labels[n] = (float)(n * 7 % s.c);
                int best = 0;
                double total = 0;
                for (int c = 0; c < s.c; c++)
                    if (logits.value(n * s.c + c) > logits.value(n * s.c + best)) best = c;
                for (int c = 0; c < s.c; c++) total += exp(logits.value(n * s.c + c) - logits.value(n * s.c + best));
                correct += best == (int)labels[n];
                for (int c = 0; c < s.c; c++) {
                    const double above = logits.value(n * s.c + c) - logits.value(n * s.c + best), target = s.smoothing / s.c + (c == (int)labels[n] ? 1 - s.smoothing : 0);
                    loss += 0.125 * target * (log(total) - above);
                    want[n * s.c + c] = 0.125 * (exp(above) / total - target);
                }
            }
            launch({1, 1, threads}, [&] { ON(T, softmax_loss)(stats.p(), dlogits.p(), logits.p(), labels.p(), scale.p(), s.n, s.c, (float)s.smoothing); });
            compare("stats", stats, {loss, correct}, 1e-6);
            compare("dlogits", dlogits, want, 1e-6, 0.125);
        }
    scene = text("loss %s of what is not a number", type_name<T>());
    for (int c : {3, 40}) {
        operand<T> logits(c), dlogits(c);
        operand<float> labels(1), scale(1), stats(2);
        logits.random();
        narrow(&logits[0], NAN);
        labels[0] = 0, scale[0] = 1;
        launch({1, 1, 64}, [&] { ON(T, softmax_loss)(stats.p(), dlogits.p(), logits.p(), labels.p(), scale.p(), 1, c, 0); });
        compare("stats", stats, {NAN, 1}); // as nn/purego: nothing is larger than the first
        compare("dlogits", dlogits, std::vector<double>(c, NAN));
    }
}

static void check_updates() {
    for (launch_shape l : grids)
        for (int n : {1, 37, 1001, 4096})
            for (int shift : {0, 1}) {
                scene = text("updates, %d elements, shift %d, %u threads", n, shift, l.x * l.threads);
                operand<float> value(n, shift), mean(n), square(n), grad(n), hyper(8), velocity(n), sum(1);
                operand<double> partial(l.x);
                value.random(), mean.random(), square.random(1.5), grad.random(), velocity.random();
                const double h[8] = {0.01, 0.25, 0.1, 0.99, 0.9, 0.98, 3, 1e-3};
                for (int i = 0; i < 8; i++) hyper[i] = (float)h[i];
                std::vector<double> w(n), m(n), s(n), squares(1);
                for (int i = 0; i < n; i++) {
                    const double g = grad.value(i) * h[1] + value.value(i) * h[2];
                    m[i] = h[4] * mean.value(i) + (1 - h[4]) * g;
                    s[i] = h[5] * square.value(i) + (1 - h[5]) * g * g;
                    w[i] = value.value(i) * h[3] - h[0] * m[i] / (sqrt(s[i]) * h[6] + h[7]);
                    squares[0] += grad.value(i) * grad.value(i);
                }
                operand<float> adam_value(value);
                launch(l, [&] { adam(adam_value.p(), mean.p(), square.p(), grad.p(), hyper.p(), n); });
                compare("adam's value", adam_value, w), compare("adam's mean", mean, m), compare("adam's square", square, s);
                for (int nesterov : {0, 1}) {
                    operand<float> v(velocity), sgd_value(value);
                    for (int i = 0; i < n; i++) {
                        const double g = grad.value(i) * h[1] + value.value(i) * h[2];
                        m[i] = h[4] * velocity.value(i) + g;
                        w[i] = value.value(i) * h[3] - h[0] * (nesterov ? g + h[4] * m[i] : m[i]);
                    }
                    launch(l, [&] { sgd(sgd_value.p(), v.p(), grad.p(), hyper.p(), n, nesterov); });
                    compare("sgd's value", sgd_value, w), compare("sgd's velocity", v, m);
                }
                operand<float> aligned_grad(grad);
                launch(l, [&] { sum_of_squares(partial.p(), (shift ? aligned_grad : grad).p(), n); });
                launch({1, 1, l.threads}, [&] { sum_of_squares_finish(sum.p(), partial.p(), l.x); });
                compare("sum_of_squares", sum, squares, 1e-7);
            }
}

template <typename T> static void check_permute() {
    struct {
        int batch, rows, cols;
    } shapes[] = {{1, 1, 1}, {6, 1, 25}, {16, 6, 25}, {3, 7, 1}, {2, 130, 9}, {1, 200, 200}, {2, 65, 64}, {1, 5000, 3}, {1, 3, 5000}, {4, 127, 128}, {2, 128, 127}, {1, 129, 130}};
    for (launch_shape l : grids)
        for (auto s : shapes) {
            scene = text("permute %s, %d matrices %dx%d, %u threads", type_name<T>(), s.batch, s.rows, s.cols, l.x * l.threads);
            const int n = s.batch * s.rows * s.cols;
            operand<float> f(n), gradient(n);
            operand<T> x(n), y(n);
            f.random(), x.random();
            // want is that of [batch][rows][cols] in the order [batch][cols][rows].
            auto order = [&](const std::vector<double>& v) {
                std::vector<double> t(n);
                for (int i = 0; i < n; i++) {
                    const int b = i / s.rows / s.cols, r = i / s.cols % s.rows, c = i % s.cols;
                    t[(b * s.cols + c) * s.rows + r] = v[i];
                }
                return t;
            };
            operand<float> f2(4);
            operand<T> y2(4);
            f2.random();
            const pack_entry table[2] = {{f.p(), y.p(), s.batch, s.rows, s.cols, 0}, {f2.p(), y2.p(), 1, 2, 2, 0}};
            launch({l.x, 2, l.threads}, [&] { ON(T, pack_weights)(table); });
            compare("pack_weights", y, order(f.values()), 0);
            compare("pack_weights", y2, {f2.value(0), f2.value(2), f2.value(1), f2.value(3)}, 0);
            launch(l, [&] { ON(T, unpack_gradient)(gradient.p(), x.p(), s.batch, s.cols, s.rows); });
            compare("unpack_gradient", gradient, order(x.values()), 0);
            launch(l, [&] { ON(T, chw_from_hwc)(y.p(), x.p(), s.batch, s.rows, s.cols); });
            compare("chw_from_hwc", y, order(x.values()), 0);
            check_gathers<T>("hwc_from_chw", order(x.values()), 0, 1, [&](T* dx, const T* mask, int accumulate) {
                launch(l, [&] { ON(T, hwc_from_chw)(dx, x.p(), mask, accumulate, s.batch, s.cols, s.rows); });
            });
        }
}

// The three gradients of a convolution by one loop over its products.
template <typename T> static void check_samples() {
    const convolution shapes[] = {
        {2, 5, 4, 3, 5, 4, 2, 3, 3, 1, 1, 1, 1}, {1, 7, 9, 1, 3, 3, 4, 3, 5, 2, 3, 0, 2}, {3, 4, 4, 2, 2, 2, 5, 1, 1, 2, 2, 0, 0}, {2, 3, 2, 1, 5, 3, 1, 2, 2, 1, 1, 1, 1},
    };
    for (const convolution& s : shapes)
        for (int pass = 0; pass < 3; pass++)
            for (int extras = 0; extras < 3; extras++) { // nothing; added to what is there; bias and ReLU
                if (extras == 2 && pass != 0) continue;
                const size_t lens[3] = {(size_t)s.n * s.h * s.w * s.c, (size_t)s.oc * s.kh * s.kw * s.c, (size_t)s.n * s.oh * s.ow * s.oc};
                operand<T> x(lens[0]), w(lens[1]), y(lens[2]);
                operand<float> bias(s.oc);
                x.random(), w.random(), y.random(), bias.random();
                operand<T>& result = pass == 0 ? y : pass == 1 ? x : w;
                std::vector<double> want(result.n);
                for (size_t i = 0; i < want.size(); i++) want[i] = extras == 1 ? result.value(i) : extras == 2 ? bias.value(i % s.oc) : 0;
                for (size_t to = 0; to < y.n; to++)
                    for (size_t weight = 0; weight < (size_t)s.kh * s.kw * s.c; weight++) {
                        const int oc = to % s.oc, ox = to / s.oc % s.ow, oy = to / s.oc / s.ow % s.oh, n = to / s.oc / s.ow / s.oh;
                        const int c = weight % s.c, kx = weight / s.c % s.kw, ky = weight / s.c / s.kw;
                        const int iy = oy * s.sh - s.ph + ky, ix = ox * s.sw - s.pw + kx;
                        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
                        const size_t from = ((n * s.h + iy) * s.w + ix) * s.c + c, by = oc * s.kh * s.kw * s.c + weight;
                        if (pass == 0) want[to] += x.value(from) * w.value(by);
                        if (pass == 1) want[from] += w.value(by) * y.value(to);
                        if (pass == 2) want[by] += x.value(from) * y.value(to);
                    }
                if (extras == 2)
                    for (double& v : want) v = relu_of(v);
                for (unsigned run : {3u, 1000u}) { // some places, and all
                    const unsigned count = run == 3 && want.size() > 12 ? 12 : (unsigned)want.size();
                    scene = text("samples of %s, pass %d, kernel %d x %d, extras %d, %u places", type_name<T>(), pass, s.kh, s.kw, extras, count);
                    operand<float> dst(count);
                    launch({count, 1, 7}, [&] {
                        ON(T, conv_samples)(dst.p(), pass == 0 || pass == 2 ? x.p() : nullptr, pass < 2 ? w.p() : nullptr, pass > 0 ? y.p() : nullptr, extras == 1 ? result.p() : nullptr, extras == 2 ? bias.p() : nullptr, extras == 2, s, (int)run, (long long)want.size());
                    });
                    std::vector<double> some(count);
                    for (unsigned i = 0; i < count; i++) some[i] = want[count == want.size() ? i : i / 3 * (want.size() - 3) / 3 + i % 3];
                    compare("a sample", dst, some, 1e-5);
                }
            }
}
