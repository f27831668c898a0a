template <typename T> static void check_sums() {
    struct {
        int pixels, c, pitch;
    } shapes[] = {{1, 1, 1}, {2, 3, 3}, {100, 1, 1}, {96, 6, 6}, {97, 6, 6}, {60, 10, 16}, {50, 16, 24}, {333, 64, 64}, {9, 1000, 1000}, {128, 130, 130}, {64, 5, 5}, {1000, 8, 8}, {40, 260, 260}};
    for (auto s : shapes)
        for (launch_shape l : {launch_shape{1, 1, 32}, launch_shape{2, 3, 96}, launch_shape{3, 7, 256}})
            for (int shift : {0, 1}) {
                scene = text("sums %s, %d pixels of %d, pitch %d, shift %d, grid %ux%u of %u", type_name<T>(), s.pixels, s.c, s.pitch, shift, l.x, l.y, l.threads);
                const launch_shape finish = {1 + l.x % 2, 1, l.threads == 256 ? 1024 : l.threads};
                operand<T> wide((s.pixels - 1) * s.pitch + s.c, shift);
                operand<float> partial(l.y * s.c), sums(s.c);
                wide.random(0.3);
                std::vector<double> want(s.c);
                for (int i = 0; i < s.pixels * s.c; i++) want[i % s.c] += wide.value(i / s.c * s.pitch + i % s.c);
                launch(l, [&] { ON(T, column_sums)(partial.p(), wide.p(), s.pixels, s.c, s.pitch); });
                launch(finish, [&] { column_sums_finish(sums.p(), partial.p(), l.y, s.c); });
                partial.guards("partial");
                compare("column_sums", sums, want, 3e-6, sqrt(s.pixels));

                // A mean of 1700 deviations: of squares of floats no digit of the variance would be left.
                operand<T> x(s.pixels * s.c, shift), dy(s.pixels * s.c), y(s.pixels * s.c);
                operand<float> parts(l.y * 2 * s.c), moments(2 * s.c), gamma(s.c), beta(s.c), running(2 * s.c), dgamma(s.c), dbeta(s.c), means(2 * s.c);
                const double mean = sizeof(T) == 4 ? 100 : 1;
                x.random(mean, sizeof(T) == 4 ? 0.1 : 1), dy.random(), gamma.random(1, 0.5), beta.random(), running.random(2);
                std::vector<double> m(2 * s.c), var(s.c);
                for (int i = 0; i < s.pixels * s.c; i++) m[i % s.c] += x.value(i) / s.pixels;
                for (int i = 0; i < s.pixels * s.c; i++) m[s.c + i % s.c] += pow(x.value(i) - m[i % s.c], 2) / s.pixels;
                launch(l, [&] { ON(T, bn_moments)(parts.p(), x.p(), s.pixels, s.c); });
                launch(finish, [&] { bn_moments_finish(moments.p(), parts.p(), l.y, s.pixels, s.c); });
                parts.guards("parts");
                compare("bn_moments", moments, m, 1e-4, 0);

                const std::vector<double> means_of = moments.values();
                auto inverse = [&](int c) { return 1 / sqrt(means_of[s.c + c] + 1e-5); };
                auto u = [&](int i) { return (x.value(i) - means_of[i % s.c]) * inverse(i % s.c); };
                std::vector<double> normal(s.pixels * s.c), run = running.values(), expected[4];
                for (int with_relu : {0, 1}) {
                    for (int i = 0; i < s.pixels * s.c; i++) {
                        normal[i] = gamma.value(i % s.c) * u(i) + beta.value(i % s.c);
                        if (with_relu) normal[i] = relu_of(normal[i]);
                    }
                    for (int i = 0; i < 2 * s.c; i++) run[i] += 0.1 * (means_of[i] * (i < s.c ? 1 : 12.0 / 11) - run[i]);
                    launch(l, [&] { ON(T, bn_inference)(y.p(), x.p(), gamma.p(), beta.p(), moments.p(), s.pixels, s.c, with_relu); });
                    compare("bn_inference", y, normal, 1e-5);
                    const launch_shape flat = {l.x, 1, l.threads};
                    launch(flat, [&] { ON(T, bn_forward)(y.p(), running.p(), x.p(), gamma.p(), beta.p(), moments.p(), s.pixels, s.c, 12, with_relu); });
                    compare("bn_forward", y, normal, 1e-5);
                    compare("running", running, run);
                }

                for (auto& e : expected) e.assign(s.c, 0);
                for (int i = 0; i < s.pixels * s.c; i++) {
                    expected[0][i % s.c] += dy.value(i) * u(i);
                    expected[1][i % s.c] += dy.value(i);
                }
                expected[2].resize(2 * s.c);
                for (int c = 0; c < s.c; c++) {
                    expected[2][c] = expected[1][c] / s.pixels;
                    expected[2][s.c + c] = expected[0][c] / s.pixels;
                }
                launch(l, [&] { ON(T, bn_sums)(parts.p(), dy.p(), x.p(), moments.p(), s.pixels, s.c); });
                launch(finish, [&] { bn_sums_finish(dgamma.p(), dbeta.p(), means.p(), parts.p(), l.y, s.pixels, s.c); });
                parts.guards("parts");
                compare("dgamma", dgamma, expected[0], 3e-6, sqrt(s.pixels));
                compare("dbeta", dbeta, expected[1], 3e-6, sqrt(s.pixels));
                compare("means", means, expected[2], 3e-6);

                std::vector<double> back(s.pixels * s.c);
                for (int i = 0; i < s.pixels * s.c; i++)
                    back[i] = gamma.value(i % s.c) * inverse(i % s.c) * (dy.value(i) - means.value(i % s.c) - u(i) * means.value(s.c + i % s.c));
                check_gathers<T>("bn_backward", back, shift, 100, [&](T* dx, const T* mask, int accumulate) {
                    launch({l.x, 1, l.threads},
                           [&] { ON(T, bn_backward)(dx, dy.p(), x.p(), gamma.p(), moments.p(), means.p(), mask, accumulate, s.pixels, s.c); });
                });
                if (s.pixels == 1) continue;
                operand<T> in_place(dy);
                launch({l.x, 1, l.threads}, [&] { ON(T, bn_backward)(in_place.p(), in_place.p(), x.p(), gamma.p(), moments.p(), means.p(), nullptr, 0, s.pixels, s.c); });
                compare("bn_backward in place", in_place, back, 2e-6, 100);
            }
}
