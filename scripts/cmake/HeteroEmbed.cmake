# hetero_embed(TARGET SYMBOL FILE...): compiles files into a table of (file name, contents).
# Gives TARGET a library that defines, in namespace hetero:
#   struct EmbeddedFile { std::string_view name; std::string_view text; };   (base/embedded_file.h)
#   std::span<const EmbeddedFile> SYMBOL();
# The name is the file's base name. Declare SYMBOL in the source that uses it.
function(hetero_embed target symbol)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cc)
  set(files)
  foreach(file IN LISTS ARGN)
    list(APPEND files ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DSYMBOL=${symbol} "-DFILES=${files}" -P
            ${CMAKE_SOURCE_DIR}/scripts/cmake/embed.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/scripts/cmake/embed.cmake
    VERBATIM)
  # A library of its own, since the command's rule is known in this folder only while the target may be another's.
  add_library(${symbol} STATIC ${output})
  target_link_libraries(${symbol} PRIVATE hetero_base)
  target_link_libraries(${target} PRIVATE ${symbol})
endfunction()
