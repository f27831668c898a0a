// resize runs load_pixels for a test in Go. The file in holds int32s: n, from, to, taps, bounds [to][2], coeffs [to][taps],
// then the images' bytes; out gets the pixels as float32, then as bfloat16.
static int resize(const char* in, const char* out) {
    FILE* f = fopen(in, "rb");
    int head[4];
    if (!f || fread(head, 4, 4, f) != 4) return perror(in), 1;
    const int n = head[0], from = head[1], to = head[2], taps = head[3];
    std::vector<int> bounds(2 * to), coeffs(to * taps);
    operand<unsigned char> src(n * from * from);
    if (fread(bounds.data(), 4, bounds.size(), f) != bounds.size() || fread(coeffs.data(), 4, coeffs.size(), f) != coeffs.size() ||
        fread(src.p(), 1, src.n, f) != src.n)
        return perror(in), 1;
    fclose(f);
    operand<float> wide(n * to * to), shifted(n * to * to, 1);
    operand<bf16> narrow(n * to * to);
    launch({5, 1, 64}, [&] { load_pixels_f32(wide.p(), src.p(), n, from, to, bounds.data(), coeffs.data(), taps); });
    launch({3, 1, 256}, [&] { load_pixels_f32(shifted.p(), src.p(), n, from, to, bounds.data(), coeffs.data(), taps); });
    launch({3, 1, 256}, [&] { load_pixels_bf16(narrow.p(), src.p(), n, from, to, bounds.data(), coeffs.data(), taps); });
    scene = "load_pixels";
    wide.guards("f32"), narrow.guards("bf16"), shifted.guards("f32 shifted");
    if (memcmp(wide.p(), shifted.p(), wide.n * 4) != 0) fail("an address that 16 does not divide changes the result");
    f = fopen(out, "wb");
    if (!f || fwrite(wide.p(), 4, wide.n, f) != wide.n || fwrite(narrow.p(), 2, narrow.n, f) != narrow.n || fclose(f) != 0) return perror(out), 1;
    return failures > 0;
}
