// oneDNN's matmul, convolution and deconvolution on buffers of the caller, for timing: u8 x s8 -> s32, or
// bf16 x bf16 -> f32.
// The weight is reordered once, when a primitive is made, into the layout that oneDNN asks for.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

namespace {

constexpr int most_dimensions = 6; // group, out, in and three of space
constexpr int most_spatial = 3;

enum class Kind : int32_t { matmul = 0, convolution = 1, deconvolution = 2 };

struct Free {
    void operator()(void *block) const { std::free(block); }
};
using Block = std::unique_ptr<void, Free>;

Block allocate(size_t bytes) { return Block(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)); }

dnnl::engine &engine() {
    static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
    return instance;
}

dnnl::stream &stream() {
    static dnnl::stream instance(engine());
    return instance;
}

} // namespace

extern "C" {

// The user's tensor: logical dimensions in oneDNN's order, strides in elements, address.
struct Tensor {
    int32_t rank;
    int64_t dimensions[most_dimensions];
    int64_t strides[most_dimensions];
    void *data;
};

struct Problem {
    int32_t kind;
    int32_t bfloat16;       // 1: of both inputs, and the output is f32
    int32_t spatial;        // rank of the window; 0 for matmul
    int32_t dynamic_weight; // 1: the weight is an operand like the others and stays in the user's layout
    Tensor source, weight, destination;
    int64_t stride[most_spatial], dilation[most_spatial]; // dilation 1 = dense
    int64_t before[most_spatial], after[most_spatial];    // padding
};
}

namespace {

dnnl::memory::dims dims(const int64_t *values, int count) { return {values, values + count}; }

dnnl::memory::desc describe(const Tensor &tensor, dnnl::memory::data_type type) {
    return {dims(tensor.dimensions, tensor.rank), type, dims(tensor.strides, tensor.rank)};
}

struct Primitive {
    dnnl::primitive primitive;
    std::string implementation;
    dnnl::memory source, weight, destination;
    Block packed;
    std::vector<dnnl_exec_arg_t> arguments;

    template <class Descriptor>
    Primitive(const Descriptor &descriptor, dnnl::primitive made, const Problem &problem,
              const dnnl::memory::desc &user_weight)
        : primitive(std::move(made)), implementation(descriptor.impl_info_str()),
          source(descriptor.src_desc(), engine(), problem.source.data),
          weight(user_weight, engine(), problem.weight.data),
          destination(descriptor.dst_desc(), engine(), problem.destination.data) {
        auto wanted = descriptor.weights_desc();
        if (wanted != user_weight) {
            packed = allocate(wanted.get_size());
            dnnl::memory other(wanted, engine(), packed.get());
            dnnl::reorder(weight, other).execute(stream(), weight, other);
            stream().wait();
            weight = other;
        }
        // Prepared once: the C++ interface would build this array from a map in every call.
        arguments = {{DNNL_ARG_SRC, source.get()}, {DNNL_ARG_WEIGHTS, weight.get()},
                     {DNNL_ARG_DST, destination.get()}};
    }
};

Primitive *make(const Problem &p) {
    using type = dnnl::memory::data_type;
    auto source = describe(p.source, p.bfloat16 ? type::bf16 : type::u8);
    auto destination = describe(p.destination, p.bfloat16 ? type::f32 : type::s32);
    auto weights = p.bfloat16 ? type::bf16 : type::s8;
    auto user_weight = describe(p.weight, weights);
    dnnl::memory::desc any(dims(p.weight.dimensions, p.weight.rank), weights, dnnl::memory::format_tag::any);
    auto weight = p.dynamic_weight ? user_weight : any;
    auto stride = dims(p.stride, p.spatial), dilation = dims(p.dilation, p.spatial);
    auto before = dims(p.before, p.spatial), after = dims(p.after, p.spatial);
    for (auto &step : dilation) step -= 1; // oneDNN counts the elements left out
    constexpr auto inference = dnnl::prop_kind::forward_inference;
    switch (static_cast<Kind>(p.kind)) {
    case Kind::matmul: {
        dnnl::matmul::primitive_desc d(engine(), source, weight, destination);
        return new Primitive(d, dnnl::matmul(d), p, user_weight);
    }
    case Kind::convolution: {
        dnnl::convolution_forward::primitive_desc d(engine(), inference, dnnl::algorithm::convolution_direct,
                                                    source, weight, destination, stride, dilation, before,
                                                    after);
        return new Primitive(d, dnnl::convolution_forward(d), p, user_weight);
    }
    case Kind::deconvolution: {
        dnnl::deconvolution_forward::primitive_desc d(engine(), inference,
                                                      dnnl::algorithm::deconvolution_direct, source, weight,
                                                      destination, stride, dilation, before, after);
        return new Primitive(d, dnnl::deconvolution_forward(d), p, user_weight);
    }
    }
    throw dnnl::error(dnnl_invalid_arguments, "unknown kind of problem");
}

} // namespace

extern "C" {

// Before anything else: the highest instruction set to use (dnnl_cpu_isa_t; 0 = whatever the CPU has) and
// the number of threads. Returns dnnl_status_t.
int32_t onednn_configure(int32_t isa, int32_t threads) {
    omp_set_num_threads(threads);
    return isa ? dnnl_set_max_cpu_isa(static_cast<dnnl_cpu_isa_t>(isa)) : dnnl_success;
}

int32_t onednn_effective_isa() { return dnnl_get_effective_cpu_isa(); }

int32_t onednn_isa(const char *name) {
    std::string wanted = name;
    if (wanted == "avx512_core_vnni") return dnnl_cpu_isa_avx512_core_vnni;
    if (wanted == "avx512_core_amx") return dnnl_cpu_isa_avx512_core_amx;
    if (wanted == "default") return dnnl_cpu_isa_default;
    return -1;
}

const char *onednn_version() {
    static std::string text = [] {
        const auto *v = dnnl_version();
        return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    }();
    return text.c_str();
}

// Null on failure, with the reason in `message`.
void *onednn_create(const Problem *problem, char *message, size_t size) {
    try {
        return make(*problem);
    } catch (const dnnl::error &error) {
        std::string text = std::string(error.message) + " (status " + std::to_string(error.status) + ")";
        size_t length = std::min(text.size(), size - 1);
        std::memcpy(message, text.data(), length);
        message[length] = 0;
        return nullptr;
    }
}

const char *onednn_implementation(const void *primitive) {
    return static_cast<const Primitive *>(primitive)->implementation.c_str();
}

int32_t onednn_execute(void *handle) {
    auto *p = static_cast<Primitive *>(handle);
    return dnnl_primitive_execute(p->primitive.get(), stream().get(), static_cast<int>(p->arguments.size()),
                                  p->arguments.data());
}

void onednn_destroy(void *primitive) { delete static_cast<Primitive *>(primitive); }
}
