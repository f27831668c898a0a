// The windows of a convolution, and their transpose, by one loop over both.
template <typename T> static void check_patches() {
    const convolution shapes[] = {
        {2, 5, 4, 3, 5, 4, 2, 3, 3, 1, 1, 1, 1}, {1, 7, 9, 1, 3, 3, 4, 3, 5, 2, 3, 0, 2}, {3, 4, 4, 2, 2, 2, 5, 1, 1, 2, 2, 0, 0}, {2, 3, 2, 1, 5, 3, 1, 2, 2, 1, 1, 2, 1},
    };
    for (const convolution& s : shapes)
        for (const launch_shape& l : grids)
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                scene = text("patches of %s, kernel %d x %d, grid %u x %u", type_name<T>(), s.kh, s.kw, l.x, l.threads);
                const int columns = s.kh * s.kw * s.c, rows = s.n * s.oh * s.ow, stride = (columns + widest<T> - 1) / widest<T> * widest<T>;
                operand<T> x((size_t)s.n * s.h * s.w * s.c), all((size_t)rows * stride);
                operand<float> gradients((size_t)rows * stride);
                x.random(), gradients.random();
                std::vector<double> want(all.n, 0.0), sums(x.n, 0.0);
                if (accumulate) sums = x.values();
                for (int row = 0; row < rows; row++)
                    for (int column = 0; column < columns; column++) {
                        const int ox = row % s.ow, oy = row / s.ow % s.oh, n = row / s.ow / s.oh;
                        const int c = column % s.c, kx = column / s.c % s.kw, ky = column / s.c / s.kw;
                        const int iy = oy * s.sh - s.ph + ky, ix = ox * s.sw - s.pw + kx;
                        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
                        const size_t from = ((n * s.h + iy) * s.w + ix) * s.c + c, to = (size_t)row * stride + column;
                        want[to] = x.value(from);
                        sums[from] += gradients.value(to);
                    }
                launch(l, [&] { ON(T, patches)(all.p(), x.p(), s, stride); });
                compare("patches", all, want, 0);
                launch(l, [&] { ON(T, sum_patches)(x.p(), gradients.p(), s, stride, accumulate); });
                compare("sum_patches", x, sums, 1e-5);
            }
}
