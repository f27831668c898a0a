template <typename T> static void check_type() {
    check_elementwise<T>();
    check_channels<T>();
    check_pool<T>();
    check_sums<T>();
    check_loss<T>();
    check_permute<T>();
    check_samples<T>();
    check_patches<T>();
}

// Without arguments it checks all kernels but load_pixels. With a file of resizing it is told what to do (pixels.cpp).
int main(int arguments, char** argument) {
    if (arguments > 1) return resize(argument[1], argument[2]);
    check_rounding();
    check_updates();
    check_type<float>();
    check_type<bf16>();
    if (failures > 20) printf("... %d failures in all\n", failures);
    return failures > 0;
}
