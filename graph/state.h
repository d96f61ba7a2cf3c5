// Named tensors that outlive runs and plans: parameters, gradients, moments, KV caches.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/device.h"

namespace propane {

class State {
 public:
  struct Prepared {
    std::shared_ptr<Buffer> buffer;
    uint64_t version = 0;  // of the tensor when it was prepared
  };
  struct Tensor {
    Type type;
    Device* device = nullptr;
    std::shared_ptr<Buffer> buffer;            // null once release() has given the plain form back
    uint64_t version = 1;                      // grows with every change
    std::map<std::string, Prepared> prepared;  // by layout name: shared by all plans of this state
  };

  // The tensor of this name, made and zeroed on `device` when there is none. Throws Error when it exists with another
  // type or on another device.
  Tensor& get(const std::string& name, const Type& type, Device& device);
  // A tensor whose plain form is `buffer`, of type.bytes(): a weight that is only read (see map_host). Throws Error
  // when the name is taken or the size is another.
  Tensor& adopt(const std::string& name, const Type& type, Device& device, std::shared_ptr<Buffer> buffer);
  Tensor* find(const std::string& name);
  const Tensor* find(const std::string& name) const;
  // Throws Error when there is none.
  Tensor& at(const std::string& name);

  // Copies to and from host memory of the tensor's plain row-major form. Throws Error on an unknown name.
  void set(const std::string& name, const void* data);
  void read(const std::string& name, void* data) const;
  // The tensor's memory on the host; throws Error when the host cannot reach it.
  void* host(const std::string& name);
  // Tells the state that a host writer changed the tensor.
  void changed(const std::string& name) { ++at(name).version; }

  // Gives the plain form of a weight back: only prepared forms remain, for inference on a small machine.
  void release(const std::string& name);

  std::map<std::string, Tensor>& tensors() { return tensors_; }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  std::map<std::string, Tensor> tensors_;
};

}  // namespace propane
