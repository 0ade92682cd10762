# protobuf-c: the library, and the C files that protoc-c makes of onnx/*.proto.
find_program(PROTOC_C protoc-c REQUIRED)
find_path(PROTOBUF_C_INCLUDE protobuf-c/protobuf-c.h REQUIRED)
find_library(PROTOBUF_C_LIBRARY protobuf-c REQUIRED)
add_library(protobuf-c::protobuf-c UNKNOWN IMPORTED)
set_target_properties(protobuf-c::protobuf-c PROPERTIES IMPORTED_LOCATION ${PROTOBUF_C_LIBRARY})

set(proto_out ${CMAKE_CURRENT_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${proto_out})
file(GLOB proto_files CONFIGURE_DEPENDS onnx/*.proto)
set(proto_c "")
foreach(file ${proto_files})
  get_filename_component(stem ${file} NAME_WLE)
  set(made ${proto_out}/${stem}.pb-c.c ${proto_out}/${stem}.pb-c.h)
  add_custom_command(OUTPUT ${made} DEPENDS ${proto_files}
    COMMAND ${PROTOC_C} --c_out=${proto_out} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/onnx ${file} VERBATIM)
  list(APPEND proto_c ${made})
endforeach()
# Generated code: compiled as protoc-c writes it, without our warnings.
add_library(tap_protobuf_made OBJECT ${proto_c})
target_include_directories(tap_protobuf_made SYSTEM PUBLIC ${proto_out} ${PROTOBUF_C_INCLUDE})
target_compile_options(tap_protobuf_made PRIVATE -w -fvisibility=hidden -ffunction-sections)
add_library(tap_protobuf INTERFACE)
target_include_directories(tap_protobuf SYSTEM INTERFACE ${proto_out} ${PROTOBUF_C_INCLUDE})
